"""The paper's claims over alternatives of what it leaves open: a multiverse analysis (Steegen et al. 2016)."""
