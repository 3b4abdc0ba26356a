/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_LEXICON_H
#define SEXTANT_SYNC_LEXICON_H

/* Numbers for names: collections and shard keys stand as numbers wherever there are many of them. A number is given once and
 * never means anything else. 0 is the empty name. Pure. */

#include "proxy/base/buf.h"
#include "proxy/base/str.h"

struct lexicon;

struct lexicon *lexicon_new(void);
void lexicon_free(struct lexicon *x);
uint32_t lexicon_number(struct lexicon *x, struct str name);       /* a new one for a new name */
struct str lexicon_name(const struct lexicon *x, uint32_t number); /* STR_NONE for one that was never given */
/* The name gets a new number when it is next asked for: what bore it is gone, and what comes under it is another thing. */
void lexicon_forget(struct lexicon *x, struct str name);
bool lexicon_is_current(const struct lexicon *x, uint32_t number); /* given, and not forgotten */

uint32_t lexicon_count(const struct lexicon *x); /* all numbers given are below this */

void lexicon_encode(const struct lexicon *x, struct buf *out);
/* Into a fresh one; false when the bytes are not what lexicon_encode() writes. *in is moved past them. */
bool lexicon_decode(struct lexicon *x, struct str *in);

#endif
