/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_SYNC_REDO_H
#define SEXTANT_SYNC_REDO_H

/* How a write that was recorded is sent once more to a home that may have it already, or may have lost it, and may be ahead of it:
 * points that it changed may be gone by what came later. So what changes existing points goes in the form that skips those that are
 * missing, and each operation of a batch for itself, as a batch ends with the first that fails. Pure. */

#include "proxy/sync/touch.h"

struct redo_piece {
    enum op_id op;
    struct str body;
};

/* In the arena. False: the body is none that touch_of() takes. */
bool redo_pieces(
    enum op_id op, struct str body, struct arena *arena, struct redo_piece **ret_pieces, unsigned *ret_n_pieces);

#endif
