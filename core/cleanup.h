/*
 * cleanup: scoped ownership for short synchronous code.
 *
 * Role    frees on every return what a function made and did not hand over
 * Owns    what a SCOPED variable points to, until TAKE
 * Thread  any
 *
 * SCOPED(route) r = route_create();   route_free(r) runs on every return
 * return TAKE(r);                     ownership leaves the scope
 *
 * A type `struct x` joins by DEFINE_SCOPED(x) in its header, next to `void x_free(struct x *)`.
 */
#ifndef CORE_CLEANUP_H
#define CORE_CLEANUP_H

#define DEFINE_SCOPED(type)                                      \
    static inline void type##_scoped_free(struct type **pointer) \
    {                                                            \
        type##_free(*pointer);                                   \
    }                                                            \
    struct type

#define SCOPED(type) __attribute__((cleanup(type##_scoped_free))) struct type *

/* Moves a pointer out of a variable and leaves NULL behind. */
#define TAKE(pointer)                   \
    __extension__({                     \
        __auto_type taken_ = (pointer); \
        (pointer) = NULL;               \
        taken_;                         \
    })

#endif
