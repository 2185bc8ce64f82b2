/*
 * Running one test of an app file (app-format, section 8): the app, with what the test gives
 * in place of its sources and what it looks at in place of its sinks, in a simulation without
 * faults, in virtual time. Nothing is read but the app, and nothing is written.
 */
#ifndef DS_SIM_APP_TEST_H
#define DS_SIM_APP_TEST_H

#include "base/buffer.h"
#include "dstream/app.h"

/*
 * Runs a test of a loaded app that plans (ds_plan_new). True if it holds; otherwise what is
 * wrong is appended to what (lines with their ends, for a person).
 *
 * What a source gives that is bad under "on_error": "fail" ends the app, as it would `run`: no
 * stream has rows from that batch on. The test fails, unless expect_errors says that this
 * source has bad records.
 */
bool ds_app_test_run(const ds_app *app, const ds_app_test *test, ds_buffer *what);

#endif
