/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_STORE_IDENTITY_H
#define SEXTANT_STORE_IDENTITY_H

/* Which journal this is: drawn once, when its directory is empty, and counted at every start. */

#include "proxy/store/folder.h"

enum { UUID_TEXT_BYTES = 37 };

struct identity {
    struct journal_uuid uuid;
    uint32_t starts; /* 0: drawn, and its first segment was perhaps not made yet */
};

void journal_uuid_print(const struct journal_uuid *uuid, char ret_text[UUID_TEXT_BYTES]);

void identity_draw(struct identity *ret_identity);
/* -ENOENT, or what is wrong with it in *ret_error. */
int identity_read(const struct folder *f, struct identity *ret_identity, struct buf *ret_error);
/* Durable when it returns 0. */
int identity_write(const struct folder *f, const struct identity *i, struct buf *ret_error);

/* Pure. False when the text is not exactly as identity_print() gives it. */
bool identity_parse(struct str text, struct identity *ret_identity);
void identity_print(const struct identity *i, struct buf *out);

#endif
