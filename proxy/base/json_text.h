/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_JSON_TEXT_H
#define SEXTANT_BASE_JSON_TEXT_H

/* A JSON text read from left to right without a tree: keys and values come out as the bytes that they stand in, so that what
 * is passed on keeps every digit and escape. As strict as RFC 8259: one value, valid UTF-8, nothing after it; nesting up to
 * 512. Pure.
 *
 *     struct json_text t = json_text(bytes);
 *     struct str key, value;
 *
 *     if (json_text_enter(&t, '{'))
 *         while (json_text_member(&t, &key))
 *             value = json_text_value(&t);      or json_text_enter() again
 *     if (!json_text_end(&t))
 *         … it is not JSON, or not what was asked for: nothing that came out means anything
 *
 * After something wrong everything says false, and values are empty. */

#include <stdbool.h>
#include <stdint.h>

#include "proxy/base/str.h"

struct json_text {
    const char *at, *end;
    bool is_first; /* no member or element of the innermost object or array was taken yet */
    bool is_wrong;
};

struct json_text json_text(struct str bytes);
/* An object ('{') or array ('[') is next, and is gone into. Anything else is wrong. */
bool json_text_enter(struct json_text *t, char open);
/* The next member: its key as it is written, without quotes; its value is to be taken next. False at the end of the object,
 * which is left. */
bool json_text_member(struct json_text *t, struct str *ret_key);
/* The same for arrays: an element is to be taken next. */
bool json_text_element(struct json_text *t);
struct str json_text_value(struct json_text *t); /* all of the next value, without the blanks around it */
bool json_text_end(struct json_text *t);         /* all of the text was taken, and nothing was wrong */

#endif
