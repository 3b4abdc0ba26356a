/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_UPSTREAM_HEALTH_H
#define SEXTANT_UPSTREAM_HEALTH_H

/* The verdict on one (URL, address), fed by probes and by traffic. Pure: time and events are parameters. */

#include <stdbool.h>
#include <stdint.h>

enum health_state {
    HEALTH_NEW, /* nothing known yet: in use */
    HEALTH_UP,
    HEALTH_DOUBT,   /* failed lately, probed faster: in use */
    HEALTH_RAMP,    /* came back, gets a growing share: in use */
    HEALTH_EJECTED, /* traffic failed while probes pass: out for a time that doubles */
    HEALTH_DOWN,    /* probes fail: out until they pass */
    HEALTH_STATE_COUNT
};

enum health_event { HEALTH_PROBE_OK, HEALTH_PROBE_FAIL, HEALTH_TRAFFIC_OK, HEALTH_TRAFFIC_FAIL, HEALTH_TICK };

struct health_conf {
    unsigned fall, rise;
    int64_t eject_base_us, eject_max_us, ramp_us;
};

struct health {
    enum health_state state;
    unsigned probe_fails, probe_oks;     /* consecutive */
    unsigned traffic_fails, traffic_oks; /* fails are forgotten after HEALTH_FORGIVE successes in a row */
    unsigned falls;                      /* falls in short succession: how long it stays out */
    int64_t since_us;                    /* when the state began */
    int64_t until_us;                    /* earliest time to come back */
};

enum { HEALTH_FORGIVE = 5 };

/* True when the state changed. */
bool health_step(struct health *h, const struct health_conf *conf, enum health_event event, int64_t now_us);
/* Worth probing more often? */
bool health_is_doubtful(const struct health *h);
static inline bool
health_is_usable(enum health_state state)
{
    return state <= HEALTH_RAMP;
}
/* 0.1 to 1: the part of its normal share that it should get. */
double health_share(const struct health *h, const struct health_conf *conf, int64_t now_us);
const char *health_state_name(enum health_state state);

#endif
