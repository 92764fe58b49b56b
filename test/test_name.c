#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "name.h"
#include "suites.h"
#include "util.h"

#include <ldns/ldns.h> /* behind ours: before <stdbool.h> it makes a bool of its own */

START_TEST(text_reads_as_wire)
{
	static const struct {
		const char *text;
		size_t len;
		const char *wire;
	} cases[] = {
	    {".", 1, ""},
	    {"a", 3, "\1a"},
	    {"a.", 3, "\1a"},
	    {"wg.example.com", 16, "\2wg\7example\3com"},
	    {"WG.Example.COM.", 16, "\2wg\7example\3com"},
	    {"a\\.b.c", 7, "\3a.b\1c"},
	    {"\\097\\065.c", 6, "\2aa\1c"}, /* lowered behind the escape, too */
	    {"a\\000b.c", 7, "\3a\0b\1c"},
	    {"\\255\\\\.c", 6, "\2\xff\\\1c"},
	    {"k\\061\\061", 5, "\3k=="},
	    {"a=b", 5, "\3a=b"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct name name;

		ck_assert_msg(name_from_text(cases[i].text, &name), "%s", cases[i].text);
		ck_assert_uint_eq(name.len, cases[i].len);
		ck_assert_mem_eq(name.wire, cases[i].wire, cases[i].len); /* the literal's NUL is the root */
	}
}
END_TEST

START_TEST(text_that_is_no_name_is_refused)
{
	static const char *const texts[] = {"", "..", ".a", "a..", "a..b", "\\", "a\\", "a.\\", "\\25", "\\2", "\\25x", "\\256",
	    "\\999", "a.b\\12"};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct name name;

		ck_assert_msg(!name_from_text(texts[i], &name), "\"%s\"", texts[i]);
	}
}
END_TEST

START_TEST(a_label_has_at_most_63_octets)
{
	char text[80];
	struct name name;

	for (size_t len = 1; len < sizeof(text) - 3; len++) {
		memset(text, 'x', len);
		strcpy(text + len, ".c");
		ck_assert_int_eq(name_from_text(text, &name), len <= NAME_LABEL);
		strcpy(text + len, ".");
		ck_assert_int_eq(name_from_text(text, &name), len <= NAME_LABEL);
		text[len] = '\0';
		ck_assert_int_eq(name_from_text(text, &name), len <= NAME_LABEL);
	}
}
END_TEST

/* Every length around the limit, with labels of every length, with and without the last dot. */
START_TEST(a_name_has_at_most_255_octets)
{
	for (size_t label = 1; label <= NAME_LABEL; label++) {
		for (size_t wire = 200; wire <= 300; wire++) {
			char text[320];
			struct name name;
			size_t at;

			/* `wire` octets are wire - 2 characters, besides the first length octet and the root */
			for (at = 0; at < wire - 2; at++)
				text[at] = (at + 1) % (label + 1) == 0 && at + 1 < wire - 2 ? '.' : 'x';
			text[at] = '\0';
			if (strlen(strrchr(text, '.') != NULL ? strrchr(text, '.') + 1 : text) > NAME_LABEL)
				continue;
			ck_assert_msg(name_from_text(text, &name) == (wire <= NAME_MAX_LEN), "%zu octets: %s", wire, text);
			if (wire <= NAME_MAX_LEN)
				ck_assert_uint_eq(name.len, wire);
			strcat(text, ".");
			ck_assert_msg(name_from_text(text, &name) == (wire <= NAME_MAX_LEN), "%zu octets: %s", wire, text);
		}
	}
}
END_TEST

/* Any octets but capital letters, which are never in a stored name. */
static void random_name(uint64_t *state, struct name *name)
{
	size_t want = 1 + util_random(state) % 254, at = 0;

	while (at + 2 < want) {
		size_t len = 1 + util_random(state) % NAME_LABEL;

		if (len > want - at - 2)
			len = want - at - 2;
		name->wire[at++] = (uint8_t)len;
		for (; len > 0; len--)
			name->wire[at++] = name_lower((uint8_t)(util_random(state) >> 32));
	}
	name->wire[at++] = 0;
	name->len = (uint8_t)at;
}

START_TEST(any_name_prints_as_ldns_reads_it_and_reads_back)
{
	uint64_t state = 1;

	for (size_t i = 0; i < 3000; i++) {
		struct name name, back;
		char text[NAME_TEXT];
		ldns_rdf *rdf;

		random_name(&state, &name);
		ck_assert_ptr_eq(name_to_text(&name, text), text);
		rdf = ldns_dname_new_frm_str(text);
		ck_assert_msg(rdf != NULL, "%s", text);
		ck_assert_uint_eq(ldns_rdf_size(rdf), name.len);
		ck_assert_mem_eq(ldns_rdf_data(rdf), name.wire, name.len);
		ldns_rdf_deep_free(rdf);
		ck_assert_msg(name_from_text(text, &back), "%s", text);
		ck_assert(name_equal(&name, &back));
	}
}
END_TEST

START_TEST(the_longest_text_fits)
{
	struct name name = {.len = NAME_MAX_LEN};
	char text[NAME_TEXT];
	size_t at = 0;

	for (size_t label = 0; label < 4; label++) {
		uint8_t len = label < 3 ? 63 : 61;

		name.wire[at++] = len;
		memset(name.wire + at, 0xff, len);
		at += len;
	}
	ck_assert_uint_eq(at, 254);
	ck_assert_uint_lt(strlen(name_to_text(&name, text)), NAME_TEXT);
	ck_assert_uint_eq(strlen(text), 4 * 250 + 3);
}
END_TEST

START_TEST(what_master_files_or_shells_misread_is_escaped)
{
	struct name name = {.len = 0}, root = {.len = 1};
	char text[NAME_TEXT];

	ck_assert_str_eq(name_to_text(&name, text), "");
	ck_assert_str_eq(name_to_text(&root, text), ".");
	ck_assert(name_prepend("abc====", 7, &root, &name));
	ck_assert_str_eq(name_to_text(&name, text), "abc\\061\\061\\061\\061");
	for (const char *c = "=.\\\"'();@$ \t\n*&|<>`~!?#%{}[]^"; *c != '\0'; c++) {
		char expected[8];

		snprintf(expected, sizeof(expected), "\\%03d", *c);
		ck_assert(name_prepend(c, 1, &root, &name));
		ck_assert_str_eq(name_to_text(&name, text), expected);
	}
	name = util_name("_wireguard._udp.wg-1.example.com");
	ck_assert_str_eq(name_to_text(&name, text), "_wireguard._udp.wg-1.example.com");
}
END_TEST

START_TEST(a_label_goes_before_a_name_and_is_lowered)
{
	struct name name = util_name("example.com"), expected = util_name("ns1.example.com"), out, root = {.len = 1};

	ck_assert(name_prepend("NS1", 3, &name, &out));
	ck_assert(name_equal(&out, &expected));
	ck_assert(name_prepend("NS1", 3, &name, &name)); /* in place */
	ck_assert(name_equal(&name, &expected));
	ck_assert(name_prepend("com", 3, &root, &out));
	ck_assert_uint_eq(out.len, 5);
	ck_assert(name_prepend("a.b", 3, &root, &out)); /* a dot is an octet like any other */
	ck_assert_mem_eq(out.wire, "\3a.b", 5);
}
END_TEST

START_TEST(what_is_too_long_is_not_prepended)
{
	char label[64];
	struct name out, none = {0}, root = {.len = 1};

	memset(label, 'x', sizeof(label));
	ck_assert(!name_prepend(label, 0, &root, &out));
	ck_assert(name_prepend(label, 63, &root, &out));
	ck_assert(!name_prepend(label, 64, &root, &out));
	ck_assert(!name_prepend(label, 1, &none, &out));
	for (uint8_t len = 1; len < 255; len++) {
		struct name parent = {.len = len};

		for (size_t n = 1; n <= 63; n++)
			ck_assert_int_eq(name_prepend(label, n, &parent, &out), 1 + n + len <= NAME_MAX_LEN);
	}
}
END_TEST

START_TEST(within_is_at_a_label_s_border)
{
	static const struct {
		const char *name, *zone;
		bool within;
	} cases[] = {
	    {"example.com", "example.com", true}, {"a.example.com", "example.com", true},
	    {"a.b.c.example.com", "example.com", true}, {"example.com", ".", true}, {".", ".", true},
	    {"aexample.com", "example.com", false}, {"com", "example.com", false}, {"example.com", "a.example.com", false},
	    {"example.org", "example.com", false}, {".", "com", false}, {"a\\007example.com", "example.com", false},
	    {"example.com.a", "example.com", false},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct name name = util_name(cases[i].name), zone = util_name(cases[i].zone);

		ck_assert_msg(name_is_within(&name, &zone) == cases[i].within, "%s in %s", cases[i].name, cases[i].zone);
	}
}
END_TEST

START_TEST(parents_lead_to_the_root)
{
	static const char *const up[] = {"b.example.com", "example.com", "com", "."};
	struct name name = util_name("a.b.example.com"), before;

	for (size_t i = 0; i < COUNT(up); i++) {
		struct name expected = util_name(up[i]);

		ck_assert(name_parent(&name, &name));
		ck_assert(name_equal(&name, &expected));
	}
	before = name;
	ck_assert(!name_parent(&name, &name));
	ck_assert(name_equal(&name, &before));
}
END_TEST

START_TEST(equal_is_equal_in_every_octet)
{
	struct name a = util_name("a.example.com"), b = util_name("b.example.com"), c = util_name("a.example.co");

	ck_assert(name_equal(&a, &a));
	ck_assert(!name_equal(&a, &b));
	ck_assert(!name_equal(&a, &c));
	for (unsigned i = 0; i < 256; i++)
		ck_assert_uint_eq(name_lower((uint8_t)i), i >= 'A' && i <= 'Z' ? i + 32 : i);
}
END_TEST

START_TEST(octets_that_are_no_name_are_told_from_one)
{
	static const uint8_t sound[] = {1, 'a', 0}, open_end[] = {1, 'a', 1}, beyond[] = {5, 'a', 0}, long_label[] = {251, 'a', 0},
	    early_end[] = {0, 1, 'a', 0};

	ck_assert(name_is_sound(sound, sizeof(sound)));
	ck_assert(name_is_sound(sound + 2, 1));
	ck_assert(!name_is_sound(sound, 0));
	ck_assert(!name_is_sound(sound, 2));
	ck_assert(!name_is_sound(open_end, sizeof(open_end)));
	ck_assert(!name_is_sound(beyond, sizeof(beyond)));
	ck_assert(!name_is_sound(long_label, sizeof(long_label)));
	ck_assert(!name_is_sound(early_end, sizeof(early_end)));
}
END_TEST

Suite *suite_name(void)
{
	Suite *s = suite_create("name");
	TCase *t = tcase_create("name");

	suite_add_tcase(s, t);
	tcase_add_test(t, octets_that_are_no_name_are_told_from_one);
	tcase_add_test(t, text_reads_as_wire);
	tcase_add_test(t, text_that_is_no_name_is_refused);
	tcase_add_test(t, a_label_has_at_most_63_octets);
	tcase_add_test(t, a_name_has_at_most_255_octets);
	tcase_add_test(t, any_name_prints_as_ldns_reads_it_and_reads_back);
	tcase_add_test(t, the_longest_text_fits);
	tcase_add_test(t, what_master_files_or_shells_misread_is_escaped);
	tcase_add_test(t, a_label_goes_before_a_name_and_is_lowered);
	tcase_add_test(t, what_is_too_long_is_not_prepended);
	tcase_add_test(t, within_is_at_a_label_s_border);
	tcase_add_test(t, parents_lead_to_the_root);
	tcase_add_test(t, equal_is_equal_in_every_octet);
	return s;
}
