#include "tools/doctor/leg.h"

#include "proxy/snapshot/client_tls.h"

const char *doctor_leg_from_name(const struct doctor_leg *leg)
{
    return leg->from ? leg->from->element->name : "client";
}

const struct doctor_hop *doctor_leg_hop(const struct doctor_model *model,
                                        const struct doctor_leg *leg)
{
    return doctor_hop_at(model, leg->to_index);
}

bool doctor_leg_next(const struct doctor_model *model, struct doctor_leg *leg, bool first)
{
    const struct doctor_hop *behind = doctor_hop_behind(model, first ? NULL : leg->from);

    if (first) {
        leg->from = NULL;
        leg->to_index = behind ? behind->index : model->chain->count - model->chain->origins_count;
        leg->speaks_tls = model->places[0].tls;
    } else {
        if (!behind)
            return false;
        leg->from = behind;
        leg->to_index = behind->next;
        leg->speaks_tls = behind->service && behind->service->protocol == CONFIG_PROTOCOL_HTTPS;
    }
    leg->to = &model->chain->elements[leg->to_index];
    return true;
}

bool doctor_leg_is_in_the_path(const struct doctor_leg *leg)
{
    return !leg->from || (leg->from->service && leg->from->element->redirect);
}

bool doctor_leg_verifies(const struct doctor_leg *leg)
{
    const struct client_tls how = { .settings = leg->from ? leg->from->settings : NULL,
                                    .persona = leg->from ? leg->from->persona : NULL };

    return !leg->from || client_tls_verifies(&how, leg->from->service);
}
