# Completion of wgmeet for fish. Verbs and options are those that the program's own --help has.

function __wgmeet_devices
    if type -q wg
        wg show interfaces 2>/dev/null | string split ' '
    else
        grep -ls '^DEVTYPE=wireguard$' /sys/class/net/*/uevent | string split -f 5 /
    end
    set -l dir /etc/wgmeet
    set -q WGMEET_DIR; and set dir $WGMEET_DIR
    for file in $dir/*.conf
        string match -q '*/wgmeetd.conf' $file; or string replace -r '.*/(.*)\.conf$' '$1' $file
    end
end

# Only root is told.
function __wgmeet_keys
    wg show all peers 2>/dev/null | string replace -r '.*\s' ''
end

function __wgmeet_verbs
    wgmeet --help 2>/dev/null | string match -r '^  [a-z]+ .*' |
        string replace -r '^  ([a-z]+) +\S+( \S+)* {2,}(.*)$' '$1\t$3'
end

# The words before the cursor, without the program, its options and their values.
function __wgmeet_operands
    set -l skip 0
    set -l takes (__wgmeet_help | string match -rg '^  (--[a-z-]+) [^\s[]')
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
        else if string match -q -- '-*' $word
            contains -- $word $takes -c --config; and set skip 1
        else
            echo $word
        end
    end
end

function __wgmeet_verb
    set -l words (commandline -opc)
    string match -qr '^[a-z]+$' -- "$words[2]"; and echo $words[2]
end

function __wgmeet_help
    set -l verb (__wgmeet_verb); and wgmeet $verb --help 2>/dev/null
end

# "--option<TAB>text" of the verb.
function __wgmeet_options
    __wgmeet_help | string match -r '^  (?:-c, )?--[a-z-]+.*' |
        string replace -r '^  (?:-c, )?(--[a-z-]+)(?: \S+)? *(.*)$' '$1\t$2'
    printf '%s\t%s\n' --help 'what there is'
end

# The option whose value is to be completed.
function __wgmeet_option
    set -l words (commandline -opc)
    set -l option $words[-1]
    if test "$option" = -c
        set option --config
    end
    if __wgmeet_help | string match -qr -- "^  (-c, )?$option [^\s[]"
        echo $option
    end
end

function __wgmeet_values
    switch (__wgmeet_option)
        case --config --output
            __fish_complete_path (commandline -ct)
        case --user
            __fish_complete_users
        case --family
            printf '%s\n' wireguard amneziawg
        case --fwmark
            echo off
    end
end

function __wgmeet_any
    set -l words (commandline -opc)
    if test (count $words) = 1
        __wgmeet_verbs
        return
    end
    if set -l option (__wgmeet_option); and test -n "$option"
        __wgmeet_values
        return
    end
    if string match -q -- '-*' (commandline -ct)
        __wgmeet_options
        return
    end
    set -l operands (__wgmeet_operands)
    set -l count (count $operands)
    switch "$operands[1]"
        case lookup name
            if test $count = 1
                __wgmeet_keys
            else if test $count = 2
                __wgmeet_devices
            end
        case '*'
            if test $count = 1; or __wgmeet_help | string match -q '*DEVICE...*'
                __wgmeet_devices
            end
    end
end

complete -c wgmeet -f -a '(__wgmeet_any)'
