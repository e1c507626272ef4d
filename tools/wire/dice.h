/*
 * dice: chance that can be repeated.
 *
 * Role    the same seed gives the same numbers (splitmix64, Steele and others 2014)
 * Owns    nothing
 * Thread  any; one dice per user
 */
#ifndef TOOLS_WIRE_DICE_H
#define TOOLS_WIRE_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_roll(struct dice *dice)
{
    uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 .. below - 1; below > 0 */
static inline uint64_t dice_below(struct dice *dice, uint64_t below)
{
    return dice_roll(dice) % below;
}

/* A dice of its own for each place: neighbours in number are strangers in what they roll. */
static inline struct dice dice_for(uint64_t seed, uint64_t place)
{
    struct dice dice = { seed };

    dice.state = dice_roll(&dice) ^ (place * UINT64_C(0x9e3779b97f4a7c15));
    (void)dice_roll(&dice); /* mixes once more */
    return dice;
}

#endif
