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
// become. A status that goes with a reason keeps it, and is not in this model.
func (out *stepper) overwrite() {
	for _, state := range []uint8{modelPending, modelScheduled} {
		switch out.from.row.state {
		case modelInProgress, modelExecuted, modelPending, modelScheduled:
		default:
			return
		}
		if state == out.from.row.state {
			continue
		}
		s := out.from
		s.acts--
		s.row.state = state
		// Whatever it means for the row, it is not this system's doing.
		step := modelStepName{verb: verbOverwrite, number: state}
		out.edges = append(out.edges, modelEdge{to: s.canonical(), step: step})
	}
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
