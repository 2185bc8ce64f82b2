/* A budget with so little memory that nearly all of it comes from a file (base/paged.h). */
#ifndef DS_TESTS_PAGED_KIT_H
#define DS_TESTS_PAGED_KIT_H

#include "base/paged.h"
#include "unit/scratch_dir.h"

typedef struct paged_kit {
    scratch_dir d;
    ds_spill *spill;
    ds_paged *paged;
} paged_kit;

static inline void paged_open(paged_kit *k, uint64_t limit, uint64_t share, uint64_t resident)
{
    scratch_open(&k->d);
    k->spill = ds_spill_new(k->d.path, limit);
    k->paged = ds_paged_new(k->spill, share, resident);
    ck_assert_ptr_nonnull(k->paged);
}

/* Nothing may be allocated any more. */
static inline void paged_close(paged_kit *k)
{
    ck_assert_uint_eq(ds_paged_used(k->paged), 0);
    ds_paged_free(k->paged);
    ck_assert_uint_eq(ds_spill_used(k->spill), 0);
    ds_spill_free(k->spill);
    scratch_close(&k->d);
}

#endif
