"""The commands of `infini`: one thin module each; heavy imports happen inside the functions."""
