/* The order of a state's keys by the time at which they were last seen: a list through them. */
#include "base/assert.h"
#include "dstream/state_record.h"

void ds_state_link(ds_state *state, uint32_t id, uint32_t before)
{
    ds_state_order *order = ds_state_order_of(state, id);
    order->before = before;
    order->after = before == DS_NO_ID ? state->oldest : ds_state_order_of(state, before)->after;
    if (before == DS_NO_ID)
        state->oldest = id;
    else
        ds_state_order_of(state, before)->after = id;
    if (order->after == DS_NO_ID)
        state->newest = id;
    else
        ds_state_order_of(state, order->after)->before = id;
}

void ds_state_unlink(ds_state *state, uint32_t id)
{
    const ds_state_order *order = ds_state_order_of(state, id);
    if (order->before == DS_NO_ID)
        state->oldest = order->after;
    else
        ds_state_order_of(state, order->before)->after = order->after;
    if (order->after == DS_NO_ID)
        state->newest = order->before;
    else
        ds_state_order_of(state, order->after)->before = order->before;
}
