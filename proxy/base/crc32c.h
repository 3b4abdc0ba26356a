/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEXTANT_BASE_CRC32C_H
#define SEXTANT_BASE_CRC32C_H

/* CRC-32C (Castagnoli; RFC 3720 appendix B.4), by the processor's instruction where it has one. Any thread. */

#include <stdint.h>

#include "proxy/base/str.h"

uint32_t crc32c(uint32_t before, struct str bytes);       /* before: 0, or the sum of what stands before the bytes */
uint32_t crc32c_table(uint32_t before, struct str bytes); /* the same without the instruction, for its test */

#endif
