"""The audit trail: every outcome kept, hash chains over it and over the journal, signed checkpoints, who reads it."""
