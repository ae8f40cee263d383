module lad.internal/house

go 1.26.0
