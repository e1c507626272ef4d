#include "tools/lab/lab_words.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

int lab_words_end(int pipe, int code)
{
    const char end[2] = { '\0', (char)code };

    return write(pipe, end, sizeof(end)) < 0 ? -errno : 0;
}

/* NUL may be the last byte that one read brings; the code comes with the next one then. */
int lab_words_relay(int pipe, FILE *out)
{
    bool ended = false;
    char words[4096];
    ssize_t n;

    while ((n = read(pipe, words, sizeof(words))) > 0 || (n < 0 && errno == EINTR)) {
        size_t count = n > 0 ? (size_t)n : 0, text;
        const char *nul = ended || count == 0 ? NULL : memchr(words, '\0', count);

        if (count == 0)
            continue;
        if (ended)
            return (unsigned char)words[0];
        text = nul ? (size_t)(nul - words) : count;
        (void)fwrite(words, 1, text, out);
        if (nul && text + 1 < count)
            return (unsigned char)words[text + 1];
        ended = nul != NULL;
    }
    return -1;
}
