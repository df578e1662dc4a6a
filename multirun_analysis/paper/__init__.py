"""The tables, figures and claims of Lian et al. 2018."""
