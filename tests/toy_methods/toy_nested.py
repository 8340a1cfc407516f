"""A classic method whose number of neighbours is chosen among the training subjects, nested in each fold."""

from apexbench.methods.base import Classic


class Nested(Classic):
    reads = {"descriptor": ("feature",)}

    def features(self, inputs):
        return inputs["descriptor"].astype(float)

    def fit(self, features, labels, groups, rng):
        from sklearn.model_selection import GridSearchCV, GroupKFold
        from sklearn.neighbors import KNeighborsClassifier

        search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 3]}, cv=GroupKFold(3))
        return search.fit(features, labels, groups=groups).best_estimator_
