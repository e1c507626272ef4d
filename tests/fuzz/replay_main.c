/*
 * replay_main: runs a fuzz target over files, for builds without libFuzzer.
 *
 *   replay_http1_parser tests/fuzz/corpus/http1_parser [file or folder ...]
 *
 * A folder without files is an error: a replay that replays nothing must not pass.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_BYTES_MAX = 1 << 20 };

static unsigned replayed_count;

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(INPUT_BYTES_MAX);
    size_t size;

    if (!file || !bytes) {
        perror(path);
        if (file)
            fclose(file);
        free(bytes);
        return 1;
    }
    size = fread(bytes, 1, INPUT_BYTES_MAX, file);
    fclose(file);
    (void)LLVMFuzzerTestOneInput(bytes, size); /* a finding aborts */
    free(bytes);
    replayed_count++;
    return 0;
}

static int replay(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int failed = 0;

    if (!folder)
        return replay_file(path);
    while ((entry = readdir(folder)) != NULL) {
        char inside[PATH_MAX];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(inside, sizeof(inside), "%s/%s", path, entry->d_name);
        failed |= replay_file(inside);
    }
    closedir(folder);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i]);
    printf("%u inputs replayed\n", replayed_count);
    return failed || replayed_count == 0;
}
