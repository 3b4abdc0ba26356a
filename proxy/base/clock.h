/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_CLOCK_H
#define SEXTANT_BASE_CLOCK_H

/* The only readers of the clock. Everything else gets time as a parameter: microseconds, monotonic, called now_us. */

#include <stdint.h>

#define USEC_PER_MSEC INT64_C(1000)
#define USEC_PER_SEC INT64_C(1000000)

int64_t clock_mono_us(void);
int64_t clock_boot_us(void); /* monotonic, and runs on while the machine sleeps: for promises to others */
int64_t clock_wall_us(void); /* since 1970, UTC; for logs and file ages only */

#endif
