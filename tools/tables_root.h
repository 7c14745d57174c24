/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables_root.h - the memory of another process, and the root of our tables in it.
 * For tables.c.
 */
#ifndef OH_TOOLS_TABLES_ROOT_H
#define OH_TOOLS_TABLES_ROOT_H

#include "tools/tables.h"

/* What it means that a read gave `n`, which is less than was asked for. */
enum oh_tables_result oh_tables_failed(ssize_t n);

/* Read `bytes` bytes at one address, all of them or none. */
enum oh_tables_result oh_tables_read_at(
    const struct oh_memory *m, uint64_t at, void *to, size_t bytes);

/* Is it a root we understand, and are there tables?  Otherwise err says why. */
bool oh_tables_check_root(const struct oh_root *r, struct oh_error *err);

#endif
