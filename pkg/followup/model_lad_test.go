package followup

// lad moves, cancels, revives, deletes and restores its booking.
func (out *stepper) lad() {
	for i := range out.times {
		if slot := modelSlot(i + 1); slot != out.from.row.slot && out.mayMoveTo(slot) {
			s := out.from
			s.acts--
			s.row.slot, s.stopped = slot, false
			out.add(s, modelStepName{verb: verbMove, slot: slot}, "")
		}
	}
	if out.onlyMoves {
		return
	}
	if out.overwrites {
		out.overwrite()
	}
	s := out.from
	s.acts--
	s.row.withdrawn ^= modelLadCancelled
	out.add(s, modelStepName{verb: verbCancel, number: s.row.withdrawn & modelLadCancelled}, "")
	s = out.from
	s.acts--
	s.row.withdrawn ^= modelLadDeleted
	out.add(s, modelStepName{verb: verbDelete, number: s.row.withdrawn & modelLadDeleted}, "")
}

// overwrite writes a task_status that LAD has read earlier over whatever it has
// become, and with it, if it writes the whole row, its other columns as they were
// before the row was armed: no key, no attempts, no task.
func (out *stepper) overwrite() {
	for _, state := range []uint8{modelPending, modelScheduled} {
		for _, whole := range []bool{false, true} {
			s := out.from
			switch out.from.row.state {
			case modelInProgress, modelExecuted, modelPending, modelScheduled:
				s.row.state = state
			case modelHeld, modelHeldWrittenOver:
				s.row.state = modelHeldWrittenOver
			default:
				return
			}
			s.acts--
			if whole {
				s.row.key, s.row.attempts, s.row.due = 0, 0, 0
			}
			if s.row == out.from.row {
				continue
			}
			// Whatever it means for the row, it is not this system's doing.
			step := modelStepName{verb: verbOverwrite, number: state}
			out.edges = append(out.edges, modelEdge{to: s.canonical(), step: step})
		}
	}
}

// forget takes the last claim out of the row: the database was restored to the
// moment before it, or a replica was promoted that had not heard of it.
func (out *stepper) forget() {
	s := out.from
	if s.row.state != modelInProgress || s.faults == 0 || s.locked() {
		return
	}
	s.faults--
	s.row.state, s.row.claimed = modelScheduled, 0
	s.row.attempts--
	out.edges = append(out.edges, modelEdge{to: s.canonical(), step: modelStepName{verb: verbForget}})
}

func (m *model) mayMoveTo(slot modelSlot) bool {
	if m.targets == nil {
		return true
	}
	for _, t := range m.targets {
		if t == slot {
			return true
		}
	}
	return false
}
