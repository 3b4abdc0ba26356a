/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_NOTES_H
#define SEXTANT_SYNC_NOTES_H

/* What Sextant writes into the collection _sextant of a cluster, as requests and answers of Qdrant:
 *
 *   point 1             the cluster's identity, a UUID made once by whoever came first
 *   point 2             at a home: the claim of the edge that journals for it
 *   point <UUID>        at a copy, one for each home, under the home's identity: whose journal is shipped here and how far
 *
 * Payloads only (the collection has no vectors). Identity and first claim are inserted only where there is none; a claim is
 * replaced only if it still is the one that was read. An answer does not say whether that happened: it is read afterwards. Texts
 * of the structs are NUL-terminated. Pure. */

#include "proxy/base/buf.h"
#include "proxy/base/random.h"

#define NOTES_TARGET "/collections/_sextant"
#define NOTES_READ NOTES_TARGET "/points"
/* strong: all go through the shard's leader, so that of two claims one comes first at every replica. */
#define NOTES_WRITE NOTES_TARGET "/points?wait=true&ordering=strong"

enum { NOTES_UUID_LEN = 36, NOTES_START_LEN = 16 };
#define NOTES_NUMBER_MAX ((UINT64_C(1) << 53) - 1) /* what Qdrant compares exactly */

typedef char notes_uuid[NOTES_UUID_LEN + 1];

struct claim_note {
    notes_uuid journal;
    char start[NOTES_START_LEN + 1]; /* random, of one start of the edge */
    uint64_t starts;                 /* of that journal, this one included */
    uint64_t lsn;                    /* its last one when this was written */
    uint64_t counter;                /* another one with each renewal */
    bool is_released;
    bool is_free; /* given up by order: another journal may take it */
};

struct copy_note {
    notes_uuid journal;
    uint64_t position;
};

struct notes {
    bool has_collection, has_claim, has_copy;
    notes_uuid identity; /* empty: it has none */
    struct claim_note claim;
    struct copy_note copy;
};

void notes_make_uuid(struct random *r, notes_uuid ret_uuid);
bool notes_is_uuid(struct str text); /* in the form that it is printed in */

/* Bodies of requests. `home`: its identity, whose note at a copy is read too; NULL: none. */
void notes_put_question(const char *home, struct buf *out);
void notes_put_collection(struct buf *out); /* PUT NOTES_TARGET */
void notes_put_identity(const char *identity, struct buf *out);
void notes_put_claim(
    const struct claim_note *claim, const struct claim_note *seen, struct buf *out); /* NULL: the first */
void notes_put_copy(const char *home, const struct copy_note *note, struct buf *out);

/* The answer to a question. False: it is none, or what it tells makes no sense. */
bool notes_read(int status, struct str body, const char *home, struct notes *ret_notes);

/* The answer to GET /: does this Qdrant have conditional updates by mode (1.17 and newer)? An older one would ignore the
 * condition. False for anything else; the version, if there is one, in `ret_version`. */
bool notes_read_version(struct str body, char ret_version[32]);

#endif
