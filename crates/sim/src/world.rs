//! One run: the manager surrounded by the models.
