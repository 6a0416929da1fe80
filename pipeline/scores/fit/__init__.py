"""How well codes fit the model that the flow is trained under: likelihood, alike pairs, independent factors."""
