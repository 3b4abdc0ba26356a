/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_TEST_FLOW_SHIP_LIB_H
#define SEXTANT_TEST_FLOW_SHIP_LIB_H

/* One ship at a time in the world of flow_lib.h, and what came of it. */

#include "proxy/sync/quiet.h"
#include "proxy/sync/ship.h"
#include "test/flow/flow_lib.h"

#define SECOND 1000000
#define P(id) "{\"id\":" id ",\"payload\":{\"n\":" id "},\"vector\":[" id ".0]}"
#define ANSWER(result) "{\"result\":[" result "],\"status\":\"ok\",\"time\":0.1}"

struct ship_fixture {
    struct flow flow;
    struct state *state;
    struct ship_read *read;
    struct ship_write *write;
    struct quiet *quiet;
    unsigned n_done;
    struct outcome why; /* of the read, or of the last quiet question */
    struct buf parts;   /* "0,2 ok; 1 refused 400 later: text" */
    struct quiet_collection collection;
    struct quiet_node node;
    bool is_told;
};

int ship_set_up(void **state);
int ship_tear_down(void **state);
void ship_keep(struct ship_fixture *f, const struct outcome *why);
/* What came over this connection since it was last asked: it begins and ends like this. */
void expect_asked(struct ship_fixture *f, const char *name, const char *start, const char *body);
void answer(struct ship_fixture *f, const char *name, int status, const char *fields, const char *body);

#endif
