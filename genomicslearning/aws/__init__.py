"""The project's side of an AWS account: where its data lake, role and jobs are, what things cost."""
