//! Named, keyed, position-addressed random streams for dacapo.
