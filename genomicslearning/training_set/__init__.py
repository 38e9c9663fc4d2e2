"""ClinVar and Ensembl VEP to the training set."""
