#include "proxy/snapshot/ca_bundle.h"

#include <stdio.h>
#include <stdlib.h>

char *ca_bundle_join(const struct config_ca_certificate *const *authorities, size_t count)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        return NULL;
    for (size_t i = 0; i < count; i++)
        (void)fprintf(stream, "%s\n", authorities[i]->cert_pem); /* fclose tells of any failure */
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}
