/*
 * lab_place: where a running lab keeps its files, and which loopback addresses are its own.
 *
 * Role    a folder for each user's labs; in it, for each block of addresses 127.0.N.x, a lock that the
 *         lab holds while it runs, and a folder with everything that it writes
 * Owns    the lock; the folder goes with it
 * Thread  the main thread
 */
#ifndef TOOLS_LAB_LAB_PLACE_H
#define TOOLS_LAB_LAB_PLACE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LAB_BLOCK_MIN = 20, LAB_BLOCK_MAX = 250, LAB_PATH_MAX = 512 };

struct lab_place {
    int lock_fd; /* -1: none */
    unsigned block;
    char folder[LAB_PATH_MAX];
};

/* The first free block; what a killed lab left there is removed. 0, or a negative errno with a sentence
 * in error. */
int lab_place_take(struct lab_place *place, char *error, size_t error_size);

/* Removes the folder and gives the block back. */
void lab_place_leave(struct lab_place *place);

/* 0: what stands in the folder of this user's labs, if there is one, is this user's. Else a negative errno
 * with a sentence in error: somebody else may have written there. */
int lab_place_look(char *error, size_t error_size);

/* A block whose lab runs: its folder. False: nobody holds it, or lab_place_look complains. */
bool lab_place_is_taken(unsigned block, char *ret_folder, size_t size);

/* Waits until its lab has gone with all that belongs to it. False: not within the time. */
bool lab_place_wait_until_free(unsigned block, uint64_t timeout_ms);

/* `port` if that is free there, else 0. */
uint16_t lab_place_port(const char *address, uint16_t port);

/* 0 or a negative errno. */
int lab_place_write(const char *folder, const char *name, const char *text);

void lab_place_remove_tree(const char *path);

#endif
