"""Layer 6. The store on disk: LMDB with group commit (`ports.Storage`), and who this node is (`ports.Identity`)."""
