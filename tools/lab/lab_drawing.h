/*
 * lab_drawing: a chain as a picture of letters.
 *
 * Role    boxes in path order, at most 100 columns wide, as many rows as it takes
 * Owns    nothing
 * Thread  any
 */
#ifndef TOOLS_LAB_LAB_DRAWING_H
#define TOOLS_LAB_LAB_DRAWING_H

#include <stdio.h>

#include "tools/lab/chain_config.h"

enum { LAB_DRAWING_COLUMNS = 100 };

/* places: of each element, in the order of the chain. */
void lab_drawing_print(const struct chain *chain, const struct chain_place *places, FILE *stream);

#endif
