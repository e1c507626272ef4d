/* Feeds each file of the directories given to a fuzzer's entry point, without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX_BYTES = 1024 * 1024 };

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data;
    size_t size;

    if (!file) {
        perror(path);
        return -1;
    }
    /* exact size, so that the sanitizer sees a read one byte too far */
    data = malloc(INPUT_MAX_BYTES);
    if (!data)
        abort();
    size = fread(data, 1, INPUT_MAX_BYTES, file);
    (void)fclose(file); /* only read from */
    data = realloc(data, size ? size : 1);
    if (!data)
        abort();
    (void)LLVMFuzzerTestOneInput(data, size); /* a finding aborts; the result means nothing */
    free(data);
    return 0;
}

/* Returns the number of inputs replayed, or -1. */
static int replay_directory(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int count = 0;

    if (!dir) {
        perror(path);
        return -1;
    }
    while ((entry = readdir(dir)) != NULL) {
        char file[4096];

        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
        if (replay_file(file) < 0) {
            count = -1;
            break;
        }
        count++;
    }
    (void)closedir(dir); /* only read from */
    return count;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int count = replay_directory(argv[i]);

        if (count < 0)
            return 1;
        if (count == 0) {
            (void)fprintf(stderr, "%s: no inputs: a fuzzer needs a corpus\n", argv[i]);
            return 1;
        }
        printf("%s: %d inputs replayed\n", argv[i], count);
    }
    return argc > 1 ? 0 : 64;
}
