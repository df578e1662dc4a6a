"""Speech emotion recognition with a contrastive loss under siamese networks (Lian et al. 2018), as Hydra sweeps."""
