/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_STR_H
#define SEXTANT_BASE_STR_H

/* A slice of bytes owned by somebody else. It need not end in NUL and may hold any byte. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t len;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })
#define STR_NONE ((struct str){ NULL, 0 })
#define STR_FMT "%.*s"
#define STR_ARG(s) (int)(s).len, (s).p

static inline struct str
str_from(const char *z)
{
    return (struct str){ z, z ? strlen(z) : 0 };
}

static inline struct str
str_make(const char *p, size_t len)
{
    return (struct str){ p, len };
}

static inline bool
str_eq(struct str a, struct str b)
{
    return a.len == b.len && (b.len == 0 || memcmp(a.p, b.p, b.len) == 0);
}

static inline bool
str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.p, prefix.p, prefix.len) == 0);
}

static inline bool
str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && (suffix.len == 0 || memcmp(s.p + s.len - suffix.len, suffix.p, suffix.len) == 0);
}

static inline struct str
str_skip(struct str s, size_t n)
{
    if (!s.p)
        return s;
    return n < s.len ? str_make(s.p + n, s.len - n) : str_make(s.p + s.len, 0);
}

bool str_eq_nocase(struct str a, struct str b); /* ASCII letters only */
int str_find(struct str s, char c);             /* offset of the first c, or -1 */
size_t str_controls(struct str s);              /* how many bytes are below 0x20, tabs not counted */
int str_hex_value(char c);                      /* of a hexadecimal digit in either case, or -1 */
struct str str_trim(struct str s);              /* spaces, tabs, CR and LF off both ends */

/* Split at the first `sep`. False when there is none: then *ret_head is all of s and *ret_tail is empty. */
bool str_cut(struct str s, char sep, struct str *ret_head, struct str *ret_tail);

/* In decimal digits; the text lies in the room given. */
#define STR_U64_MAX 20
struct str str_of_u64(uint64_t value, char room[STR_U64_MAX]);
/* Decimal digits only, no sign, no blanks, no overflow. */
bool str_to_u64(struct str s, uint64_t *ret_value);
/* A finite decimal number with optional sign, fraction and exponent, in the C locale's spelling. */
bool str_to_double(struct str s, double *ret_value);

/* Shell-style pattern of literal bytes and `*` (any run, also empty). */
bool str_glob(struct str pattern, struct str s);
/* By bytes; for qsort() and bsearch() over struct str. */
int str_compare(const void *a, const void *b);
/* Length of the UTF-8 sequence (RFC 3629) that s begins with; 0 when it begins with none. */
size_t str_utf8_len(struct str s);
/* Edits (insert, delete, replace) from a to b; both are cut at 64 bytes. */
unsigned str_distance(struct str a, struct str b);

#endif
