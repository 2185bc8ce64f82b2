#include "base/log_place.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void ds_log_place_name(char *name, const ds_log_place *place)
{
    snprintf(name, DS_LOG_NAME, "%010" PRIu64 "-%06" PRIu64 ".log", place->receiver_id,
             place->segment);
}

bool ds_log_place_read(const char *name, ds_log_place *place)
{
    ds_log_place read = {0};
    char canonical[DS_LOG_NAME];
    if (sscanf(name, "%20" SCNu64 "-%20" SCNu64, &read.receiver_id, &read.segment) != 2 ||
        read.receiver_id == 0 || read.segment == 0)
        return false;
    ds_log_place_name(canonical, &read);
    if (strcmp(canonical, name) != 0)
        return false;
    *place = read;
    return true;
}

static int compare(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int ds_log_place_compare(const ds_log_place *a, const ds_log_place *b)
{
    if (a->receiver_id != b->receiver_id)
        return compare(a->receiver_id, b->receiver_id);
    if (a->segment != b->segment)
        return compare(a->segment, b->segment);
    return compare(a->offset, b->offset);
}

bool ds_log_segment_before(const ds_log_place *a, const ds_log_place *b)
{
    return a->receiver_id < b->receiver_id ||
           (a->receiver_id == b->receiver_id && a->segment < b->segment);
}
