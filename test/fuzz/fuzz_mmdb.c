/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a geo database: refused with a reason, or loaded and able to answer. Loading what was loaded once gives the same.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "geoip/geo_db.h"

static void
look_up(const struct geo_db *db, uint64_t seed)
{
    for (unsigned i = 0; i < 64; i++) {
        struct addr a = { .family = i % 2 ? 4 : 6 };
        struct place p = { .source = PLACE_NONE };

        for (unsigned b = 0; b < (i % 2 ? 4U : 16U); b++) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            a.bytes[b] = (uint8_t)(i < 4 ? (i < 2 ? 0 : 0xff) : seed >> 56);
        }
        if (!geo_db_lookup(db, &a, &p))
            continue;
        assert(p.source == PLACE_DATABASE);
        assert(p.country[0] || p.continent || p.has_point);
        assert(!p.country[0] || (country_is_known(p.country) && p.has_point && p.country[2] == '\0'));
        assert(!p.has_point || (p.lat >= -90 && p.lat <= 90 && p.lon >= -180 && p.lon <= 180));
        assert(p.continent < CONTINENT_COUNT);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[64], error[256] = "";
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    struct str path;
    struct geo_db *db;

    assert(fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    path = str_from(name);
    db = geo_db_load(&path, 1, error, sizeof(error));
    assert(!db == (error[0] != '\0'));
    if (db)
        look_up(db, size);
    geo_db_free(db);
    close(fd);
    return 0;
}
