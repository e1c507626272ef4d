/*
 * case_plan: every fault at every place with every method, as a list of cases.
 *
 * Role    what is to be tried on a chain; each case is known by the value of X-Hopgate-Case that its
 *         requests carry, by which hops route it, origins count it and logs name it
 * Owns    the cases and the library of faults
 * Thread  any, once it is made
 *
 * A place is the origins together ("origins", or the one's name), one of several origins, a wire by its
 * name, or the way between two parts ("outer-gateway"), where a wire is put for the case alone.
 */
#ifndef TOOLS_LAB_CASE_PLAN_H
#define TOOLS_LAB_CASE_PLAN_H

#include <jansson.h>

#include "core/cleanup.h"
#include "tools/lab/chain.h"
#include "tools/origin/fault.h"

enum {
    CASE_PLACE_MAX = 80,
    CASES_MAX = 4000,
    CASE_CLIENT = CHAIN_ELEMENTS_MAX, /* "after": the client's own way */
    /* stated: between warming up and the request; longer than a wire needs to forget, shorter than a
     * product needs to give up an idle connection */
    CASE_PAUSE_MS = 30000,
    CASE_PAUSE_LATE_MS = 10000,
};

#define CASE_FIELD "X-Hopgate-Case"

struct lab_case {
    char name[24];
    char fault[64];    /* "" none */
    char words[256];   /* of `hopgate wire`; "" the origin's */
    const char *about; /* NULL: its words say it */
    char place[CASE_PLACE_MAX];
    size_t after;   /* hop whose way on it is, and that of its equals; CASE_CLIENT */
    size_t targets; /* so many, from the first one */
    bool is_one;    /* of several origins only this one fails: number `one` */
    size_t one;
    unsigned times; /* the origin fails so often, then it is well; 0: always */
    bool warm;      /* a request goes before, so that connections are there to be reused */
    char method[16];
    /* where each target of this case listens; chosen when the chain runs; 0: the usual place */
    uint16_t ports[CHAIN_ELEMENTS_MAX];
    /* where a hop that sees no requests (the first of equal ones) takes it; 0: the usual place */
    uint16_t doors[CHAIN_ELEMENTS_MAX];
};

struct case_options {
    const char *faults, *places, *methods; /* divided by commas; NULL: the usual ones */
};

struct case_plan {
    const struct chain *chain;
    struct fault_library *library;
    struct lab_case *cases;
    size_t count;
};

/* NULL: an exit code after the complaint is in *ret_code. The chain is borrowed. */
struct case_plan *case_plan_make(const struct chain *chain, const struct case_options *options,
                                 int *ret_code);
void case_plan_free(struct case_plan *plan); /* accepts NULL */
DEFINE_SCOPED(case_plan);

/* The last hop (of several side by side the first), and the first origin. */
size_t case_plan_last_hop(const struct chain *chain);
size_t case_plan_first_origin(const struct chain *chain);

#endif
