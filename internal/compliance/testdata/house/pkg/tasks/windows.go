//go:build windows

package tasks
