# Completion of wgmeetd for fish: the options are those of its own --help.

function __wgmeetd_help
    wgmeetd --help 2>/dev/null
end

function __wgmeetd_any
    set -l option (commandline -opc)[-1]
    if test "$option" = -c
        set option --config
    end
    if __wgmeetd_help | string match -qr -- "^  (-c, )?$option [^\s[]"
        switch $option
            case --config --dump-file --output --metrics-socket
                __fish_complete_path (commandline -ct)
            case --state-directory
                __fish_complete_directories (commandline -ct)
            case --user --observer-user
                __fish_complete_users
            case --device
                wg show interfaces 2>/dev/null | string split ' '
            case --listen
                wg show interfaces 2>/dev/null | string split ' ' | string replace -r '^' %
            case --family
                printf '%s\n' wireguard amneziawg
            case --self
                echo auto
            case --publish
                printf '%s\n' all listed
            case --allow --allow-browse
                printf '%s\n' tunnel all none
        end
        return
    end
    __wgmeetd_help | string match -r '^  (?:-c, )?--[a-z-]+(?: .*)?$' |
        string replace -r '^  (?:-c, )?(--[a-z-]+)(?: \S+)? *(.*)$' '$1\t$2'
    printf '%s\n' --help --version
end

complete -c wgmeetd -f -a '(__wgmeetd_any)'
