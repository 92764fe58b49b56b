#include <string.h>

#include "suites.h"
#include "util.h"
#include "wire.h"

/* All octets come over, none beside them is touched, whatever the length. */
START_TEST(long_copies_are_whole_and_end_where_they_should)
{
	uint8_t from[512], to[512 + 64];

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i * 7 + i / 251 + 1);
	for (size_t len = 32; len <= sizeof(from) - 31; len++) {
		for (size_t shift = 0; shift < 32; shift += 31) {
			memset(to, 0x5a, sizeof(to));
			ck_hot(put_long(to + 32 - shift, from + shift, len) == to + 32 - shift + len);
			ck_hot(memcmp(to + 32 - shift, from + shift, len) == 0);
			for (size_t i = 0; i < sizeof(to); i++)
				ck_hot((i >= 32 - shift && i < 32 - shift + len) || to[i] == 0x5a);
		}
	}
}
END_TEST

/* In network order, and each returns the octet behind. */
START_TEST(numbers_are_written_as_they_are_read)
{
	uint8_t p[8];

	memset(p, 0x5a, sizeof(p));
	ck_assert_ptr_eq(put32(put16(p, 0x0102), 0x83848586), p + 6);
	ck_assert_mem_eq(p, "\x01\x02\x83\x84\x85\x86\x5a\x5a", 8);
	ck_assert_uint_eq(get16(p), 0x0102);
	ck_assert_uint_eq(get32(p + 2), 0x83848586);
	ck_assert_ptr_eq(put_bytes(p, "abc", 3), p + 3);
	ck_assert_mem_eq(p, "abc\x84\x85\x86\x5a\x5a", 8);
}
END_TEST

/* What goes beyond is an error, and so is all that follows; a write that does not fit leaves what is there. */
START_TEST(a_cursor_stays_within_its_bounds)
{
	static const uint8_t octets[] = {1, 2, 3, 4, 5, 6, 7};

	for (size_t len = 0; len <= sizeof(octets); len++) {
		struct wire_reader r = {.buf = octets, .len = len};
		uint8_t buf[8];
		struct wire_writer w = {.buf = buf, .cap = len};

		memset(buf, 0x5a, sizeof(buf));
		ck_assert_uint_eq(wire_get8(&r), len >= 1 ? 1 : 0);
		ck_assert_uint_eq(wire_get16(&r), len >= 3 ? 0x0203 : 0);
		ck_assert_uint_eq(wire_get32(&r), len >= 7 ? 0x04050607 : 0);
		ck_assert_int_eq(r.bad, len < 7);
		ck_assert_ptr_eq(wire_skip(&r, 0), len < 7 ? NULL : octets + 7);
		wire_put8(&w, 1);
		wire_put16(&w, 0x0203);
		wire_put32(&w, 0x04050607);
		ck_assert_int_eq(w.bad, len < 7);
		ck_assert_uint_eq(w.at, len >= 7 ? 7 : len >= 3 ? 3 : len >= 1 ? 1 : 0);
		ck_assert_mem_eq(buf, octets, w.at);
		for (size_t i = w.at; i < sizeof(buf); i++)
			ck_assert_uint_eq(buf[i], 0x5a);
	}
}
END_TEST

Suite *suite_wire(void)
{
	Suite *s = suite_create("wire");
	TCase *t = tcase_create("wire");

	suite_add_tcase(s, t);
	tcase_add_test(t, long_copies_are_whole_and_end_where_they_should);
	tcase_add_test(t, numbers_are_written_as_they_are_read);
	tcase_add_test(t, a_cursor_stays_within_its_bounds);
	return s;
}
