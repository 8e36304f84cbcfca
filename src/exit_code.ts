/** Codes with which a replica ends by itself, from sysexits.h. @module */

/** An invariant is broken: nothing may go on (EX_SOFTWARE). */
export const EXIT_INVARIANT = 70;
/** It has to be started again, and then goes on (EX_TEMPFAIL). */
export const EXIT_RESTART = 75;
