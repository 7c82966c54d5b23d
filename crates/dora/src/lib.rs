//! Weight-decomposed low-rank adaptation (DoRA) layers for Burn.
