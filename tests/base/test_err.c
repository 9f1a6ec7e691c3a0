/* Errors have words, and errnos have errors. */
#include "base/err.h"
#include "check.h"

#include <errno.h>
#include <string.h>

static void every_error_has_a_text_of_its_own(void **state)
{
    (void)state;
    for (int a = ERR_MISMATCH; a < 0; a++) {
        assert_string_not_equal(err_text(a), "unknown error");
        for (int b = ERR_MISMATCH; b < a; b++)
            assert_string_not_equal(err_text(a), err_text(b));
    }
    assert_string_equal(err_text(ERR_MISMATCH - 1), "unknown error");
    assert_string_equal(err_text(-2147483647 - 1), "unknown error");
    assert_non_null(err_text(0));
}

static void every_errno_becomes_an_error(void **state)
{
    (void)state;
    for (int e = -1; e < 300; e++) {
        assert_true(err_from_errno(e) < 0);
        assert_true(err_from_errno(e) >= ERR_MISMATCH);
    }
    assert_int_equal(err_from_errno(ENOSPC), ERR_NO_SPACE);
    assert_int_equal(err_from_errno(EACCES), ERR_PERMISSION);
    assert_int_equal(err_from_errno(ENOENT), ERR_NOT_FOUND);
    assert_int_equal(err_from_errno(EIO), ERR_IO);
    assert_int_equal(err_from_errno(ECONNREFUSED), ERR_REFUSED);
}

RUN(T(every_error_has_a_text_of_its_own), T(every_errno_becomes_an_error))
