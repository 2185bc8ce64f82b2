#include "columnar/schema.h"

#include <string.h>

int ds_schema_find(const ds_schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->n_fields; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return (int)i;
    return -1;
}
