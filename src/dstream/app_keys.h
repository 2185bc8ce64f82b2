/* The shapes of the app file's objects by name (app_shape.h says how they are read). */
#ifndef DS_DSTREAM_APP_KEYS_H
#define DS_DSTREAM_APP_KEYS_H

#include "dstream/app.h"
#include "dstream/app_shape.h"

#define DS_KEY_PARTITIONS_MAX 65536
#define DS_REPARTITION_MAX 10000
#define DS_JOIN_KEYS_MAX 32 /* what a table of keys takes */

extern const ds_shape ds_batch_shape, ds_checkpoint_shape, ds_executors_shape, ds_tls_shape,
    ds_limits_shape, ds_source_shape, ds_stream_shape, ds_join_shape, ds_window_shape,
    ds_state_shape, ds_sink_shape, ds_test_shape, ds_fault_shape, ds_backpressure_shape,
    ds_api_shape, ds_speculation_shape, ds_functions_shape;

#endif
