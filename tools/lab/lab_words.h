/*
 * lab_words: what a lab in the background says to who has started it.
 *
 * Role    one pipe: text, then NUL and an exit code; with them whoever waits can go, the lab runs on
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_LAB_LAB_WORDS_H
#define TOOLS_LAB_LAB_WORDS_H

#include <stdio.h>

/* Nothing follows. 0 or a negative errno. */
int lab_words_end(int pipe, int code);

/* Writes the text to `out` as it comes. The exit code, or -1: the pipe ended before it. */
int lab_words_relay(int pipe, FILE *out);

#endif
