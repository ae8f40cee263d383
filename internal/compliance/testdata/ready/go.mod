module lad.internal/ready

go 1.26.0
