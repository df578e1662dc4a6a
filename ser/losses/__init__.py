"""Losses: one module for each contrastive loss, and the objective that adds the losses up."""
