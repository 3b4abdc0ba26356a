/* SPDX-License-Identifier: Apache-2.0
 *
 * Claims on a home, by chance: edges of two journals start, pause and are replaced, requests are lost, or land late. Whatever
 * happens, never two of them may write.
 */
#include "test/unit/tenure_home.h"

enum { EDGES = 3, FLYING = 8 };

struct player {
    struct tenure t;
    enum tenure_do doing;
    int64_t paused_until, busy_until;
    bool is_busy, is_lost;
    struct write write;
};

struct flight {
    struct write write;
    int64_t lands;
    bool is_flying;
};

static uint64_t random_state;

static unsigned
dice(unsigned sides)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(random_state >> 33) % sides;
}

static void
start_player(struct player *p, unsigned index, unsigned starts, int64_t now)
{
    char start[17];

    snprintf(start, sizeof(start), "%x%x", index, starts);
    *p = (struct player){ .t = edge(dice(4) ? JOURNAL_A : JOURNAL_B, start, starts, "", now) };
    p->t.self.may_replace = dice(2);
    p->t.floor_lsn = 0;
}

static void
end_request(struct player *p, const struct notes *home, int64_t now)
{
    p->is_busy = false;
    if (p->doing != TENURE_READ)
        tenure_wrote(&p->t, !p->is_lost, now);
    else if (p->is_lost)
        tenure_failed(&p->t, now);
    else
        tenure_read(&p->t, home, now);
}

static void
begin_request(struct player *p, struct flight *flights, int64_t now)
{
    int64_t wait;

    p->doing = tenure_next(&p->t, now, &wait);
    if (p->doing == TENURE_WAIT || p->doing == TENURE_NOTHING)
        return;
    p->is_busy = true;
    p->is_lost = dice(8) == 0;
    p->busy_until = now + dice(p->is_lost ? 20 : 5) * S / 10;
    for (unsigned i = 0; p->doing != TENURE_READ && i < FLYING; i++) {
        if (flights[i].is_flying)
            continue;
        flights[i] = (struct flight){ written(&p->t, p->doing), p->is_lost ? now + dice(100) * S / 10 : p->busy_until,
            !p->is_lost || dice(2) };
        break;
    }
}

static void
play(struct player *p, const struct notes *home, struct flight *flights, int64_t now)
{
    if (p->paused_until > now || (p->is_busy && p->busy_until > now))
        return;
    if (p->is_busy)
        end_request(p, home, now);
    else
        begin_request(p, flights, now);
}

static void
run_game(uint64_t seed, unsigned *held)
{
    struct player players[EDGES];
    struct flight flights[FLYING] = { { .is_flying = false } };
    struct notes home = { 0 };
    unsigned starts = 1;

    random_state = seed;
    for (unsigned i = 0; i < EDGES; i++)
        start_player(&players[i], i, starts + i % 2, 0);
    for (int64_t now = 0; now < 120 * S; now += S / 10) {
        unsigned n = 0;

        for (unsigned i = 0; i < FLYING; i++) {
            if (flights[i].is_flying && flights[i].lands <= now) {
                land(&home, &flights[i].write);
                flights[i].is_flying = false;
            }
        }
        for (unsigned i = 0; i < EDGES; i++) {
            play(&players[i], &home, flights, now);
            if (dice(300) == 0)
                players[i].paused_until = now + dice(120) * S / 10;
            if (dice(400) == 0)
                start_player(&players[i], i, dice(3) ? ++starts : starts, now);
            n += tenure_may_send(&players[i].t, now);
        }
        *held += n;
        if (n > 1)
            fail_msg("seed %u, %.1f s: %u edges may write", (unsigned)seed, (double)now / S, n);
    }
}

static void
test_never_two(void **state)
{
    unsigned held = 0;

    for (uint64_t seed = 1; seed <= 3000; seed++)
        run_game(seed, &held);
    assert_true(held > 100000); /* and often one */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
