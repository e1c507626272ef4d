/*
 * chain_priv: the tables of a chain file, between what reads and what describes them.
 *
 * Role    fields with their defaults, and a sentence for each
 * Owns    nothing; constant
 * Thread  any
 */
#ifndef TOOLS_LAB_CHAIN_PRIV_H
#define TOOLS_LAB_CHAIN_PRIV_H

#include "config/schema.h"
#include "tools/lab/chain.h"

/* A mapping of the file: its fields, and for each (same order) what it means. */
struct chain_table {
    const char *title;
    const struct schema *schema;
    const char *const *meanings;
};

enum {
    CHAIN_TABLE_CHAIN,
    CHAIN_TABLE_PKI,
    CHAIN_TABLE_CLIENT,
    CHAIN_TABLE_HOP,
    CHAIN_TABLE_WIRE,
    CHAIN_TABLE_ORIGIN,
    CHAIN_TABLES
};

extern const struct chain_table chain_tables[CHAIN_TABLES];

#endif
