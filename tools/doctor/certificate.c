#include "tools/doctor/certificate.h"

#include <string.h>

const struct pki_situation *doctor_certificate_of(const char *name)
{
    size_t count;
    const struct pki_situation *all = pki_lab_situations(&count);

    for (size_t i = 0; i < count; i++)
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    return NULL;
}

bool doctor_certificate_is_refused(const struct pki_situation *situation)
{
    return situation->verify_error != 0 &&
           (situation->verify_options[0] == '\0' ||
            strncmp(situation->verify_options, "-purpose", strlen("-purpose")) == 0);
}
